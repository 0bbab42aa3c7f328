"""What joins other libraries to sessions; each module needs its library, and only that one."""
