"""Pictures of what is stored, made by a process of their own: codecs may fail in any way on what is sent."""
