"""One city's installation: its records, its policy and the gate through which anything leaves."""
