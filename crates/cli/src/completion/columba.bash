# Completion of columba's command lines: what fits is asked of the program itself.
_columba() {
    local cur="${COMP_WORDS[COMP_CWORD]}" line files=
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files) files=1 ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <(columba complete --shell bash --point "$COMP_POINT" -- "$COMP_LINE" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
    if [[ $files ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$cur")
    fi
}
complete -F _columba columba
