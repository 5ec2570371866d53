"""Factor gnn: reads gene features over the graph of training positives.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.gnn.base import GraphBranch as GraphBranch
from components.gnn.base import GraphEmbedding as GraphEmbedding
from components.gnn.graph_free import NoGraph as NoGraph
from components.gnn.gcn import GCN as GCN
from components.gnn.gat import GAT as GAT
from components.gnn.sage import SAGE as SAGE
from components.gnn.gin import GIN as GIN
from components.gnn.gatv2 import GATv2 as GATv2
from components.gnn.relational import Relational as Relational
from components.gnn.conv_attention import ConvolutionalAttention as ConvolutionalAttention
