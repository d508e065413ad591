"""Where does a model look, before and after?"""
