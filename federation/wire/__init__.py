"""How documents meet bytes and bytes meet the network."""
