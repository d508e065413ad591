"""What do the layers know? Linear probes before and after adaptation."""
