"""Are the published figures consistent with several seeds of each article's protocol?"""
