"""What the report shows and says, by chapter: figures, captions and sentences, from numbers that
other rooms computed.
"""
