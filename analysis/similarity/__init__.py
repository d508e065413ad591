"""What moved? Debiased CKA of layers."""
