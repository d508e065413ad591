"""What was learned, kept and lost?"""
