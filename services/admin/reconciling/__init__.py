"""What a station was sent, compared with what it says it has (C-FIND), and sent again where something is missing."""
