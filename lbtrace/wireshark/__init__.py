"""Report → captures and a profile for Wireshark: what was found, in the packets that show it.

points       the captures of a report, read again
one_clock    by how much each is moved, so that all have one clock
notes        comments for frames
selected     the frames of whole connections
story        one merged capture, or one for each point; `lbtrace.capture.writing` makes the blocks
profile_files    the Lua post-dissector, colours and columns that go with it
"""
