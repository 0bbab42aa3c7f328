"""How a time went, as a PDF to read and to pass on.

    figures.py   asks the collector's questions, and computes what is shown
    charts.py    draws them (matplotlib)
    pages.py     sets the pages (fpdf2), with the help of words.py and fonts.py

Decision: fpdf2 sets the pages and matplotlib draws the charts. matplotlib alone has no tables that break over pages and
no lines that wrap; reportlab has both, and charts that nobody would pass on, but brings no font beyond Latin-1, and
its typesetting of right-to-left text is another package. matplotlib brings DejaVu Sans (Latin, Greek, Cyrillic, Hebrew,
Arabic), fpdf2 embeds what is used of it, and HarfBuzz joins and orders Arabic and Hebrew. Together they take 80 MB on
disk, hence an extra of their own.
"""
