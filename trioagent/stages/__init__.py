"""The stages of a turn: async, channel ends in, channel ends out."""
