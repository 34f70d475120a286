"""The rig: a private network, guests under QEMU, what is measured on them, and the report."""
