"""The protocol shared by every member of a labor-information federation."""
