"""The bytes of one frame → what `lbtrace frame` shows of it.

    frame ─▶ dissection      its layers and their fields
             payload_lines   the lines that can be read in its payload
             evidence        which of both, and which bytes, a finding rests on

Whatever the bytes are, nothing is raised. Only the frame itself is looked at: what its stream or
its exchange says is not known here.
"""
