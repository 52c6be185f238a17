"""Prediction over more photos or faces than one process, or one sitting, should look at."""
