package prefs

// StateDirectoryOf lets tests be any user.
var StateDirectoryOf = stateDirectoryOf
