"""How lbtrace says things: numbers with units, names for enums, filled sentences, escaped text;
shared by every format for people.
"""
