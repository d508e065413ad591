"""What breaks the predictions? Texts in other words."""
