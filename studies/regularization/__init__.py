"""What each kind of regularization does: a factorial study."""
