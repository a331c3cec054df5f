"""Has a hermes-webui checkout make the index of a store anew: peer.py CHECKOUT STATE_DIR. Nothing of it is in here."""
import logging
import os
import sys

checkout, state = sys.argv[1], sys.argv[2]
os.environ['HERMES_WEBUI_STATE_DIR'] = state
sys.path.insert(0, checkout)
logging.disable(logging.CRITICAL)

import api.models  # noqa: E402

api.models._write_session_index(None)
print(os.path.getsize(os.path.join(state, 'sessions', '_index.json')))
