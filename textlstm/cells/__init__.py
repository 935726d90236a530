"""Cells: one time step each, the gate equations written out."""

from textlstm.cells.cell import Cell
from textlstm.cells.gated_cell import GatedCell
from textlstm.cells.gru_cell import GRUCell
from textlstm.cells.lstm_cell import LSTMCell
from textlstm.cells.simple_rnn_cell import SimpleRNNCell

__all__ = ["Cell", "GRUCell", "GatedCell", "LSTMCell", "SimpleRNNCell"]
