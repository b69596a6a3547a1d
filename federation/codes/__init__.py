"""Public code tables all members read alike: occupations (CSCO 2022), divisions (GB/T 2260)."""
