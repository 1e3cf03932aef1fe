"""Does the configured set fit this machine: its card, its cores, its speed?"""
