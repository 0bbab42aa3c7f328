"""Pictures of the boards for README, since no Grafana can run here.

own.py       starts a collector of its own, with something to show
answers.py   asks each panel's query as `dashboards.validate` does
fields.py    how a column is shown: unit, colours, width
units.py     numbers as people read them
page.py      places texts, boxes and axes on a page of pixels
look.py      colours and sizes
series.py    draws what has a time; numbers.py, tables.py and spans.py the other kinds of panels
board.py     puts a board together, in its own grid
"""
