"""A laboratory for transfer learning in NLP.

config -> data -> backbone -> strategy -> loop -> metrics -> run directory
"""
