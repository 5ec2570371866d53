"""Factor pair_encoder: encodes the two genes of a candidate pair.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.pair_encoder.base import LocalContext as LocalContext
from components.pair_encoder.base import PairEncoder as PairEncoder
from components.pair_encoder.transformer import TransformerPairEncoder as TransformerPairEncoder
from components.pair_encoder.mlp import MLPPairEncoder as MLPPairEncoder
from components.pair_encoder.gpdht import GPDHTPairEncoder as GPDHTPairEncoder
from components.pair_encoder.encoder_decoder import EncoderDecoder as EncoderDecoder
from components.pair_encoder.towers import Towers as Towers
from components.pair_encoder.pooled_convolution import PooledConvolution as PooledConvolution
