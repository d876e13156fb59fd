# Completion of ebb's commands in bash.
_ebb() {
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(ebb help | sed -n 's/^  \([a-z]*\).*/\1/p')" -- "$2")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
	fi
}
complete -o filenames -F _ebb ebb
