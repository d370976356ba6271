"""Data subjects' requests: from intake to answer. Carried out by the executor of the daily run.

``taking_in`` receives them, ``finding`` says whose records they are about, ``book`` keeps them,
``doing`` plans and carries out, ``copies`` packs what is handed out, ``proving`` searches again
afterwards, ``answering`` writes to the person and to recipients. ``model`` has the words of all.
"""
