"""Files as cameras, phones and editors write them, each with where it was reported.

All show four quadrants (red, green, blue, yellow), so that turns, crops and colours can be seen.
"""

from tests.support.reported.brands import BRANDS
from tests.support.reported.colours import COLOURS
from tests.support.reported.metadata import METADATA
from tests.support.reported.phones import OTHERS
from tests.support.reported.several import SEVERAL
from tests.support.reported.trailers import TRAILERS
from tests.support.reported.turns import TURNS

REPORTED = [*TRAILERS, *METADATA, *SEVERAL, *BRANDS, *COLOURS, *TURNS, *OTHERS]
