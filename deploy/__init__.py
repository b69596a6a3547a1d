"""What stands around nodes and coordinator: deployment and the study."""
