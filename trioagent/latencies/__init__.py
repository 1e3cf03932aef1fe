"""Reading, comparing and showing the latencies that the agent writes of its turns.

`reading` and `statistics` make values of them; `terminal`, `page` and `rows` show them.
"""
