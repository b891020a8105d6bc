#compdef columba
# Completion of columba's command lines: what fits is asked of the program itself.
_columba() {
    local line value files=
    local -a values shown open
    while IFS= read -r line; do
        value="${line%%$'\t'*}"
        if [[ $line == :files ]]; then
            files=1
        elif [[ $value == */ ]]; then
            open+=("$value")
        else
            values+=("$value")
            if [[ $line == *$'\t'* ]]; then
                shown+=("$value -- ${line#*$'\t'}")
            else
                shown+=("$value")
            fi
        fi
    done < <(columba complete --shell zsh -- "${(@Q)words[1,CURRENT]}" 2>/dev/null)
    (( $#values )) && compadd -l -d shown -a values
    (( $#open )) && compadd -S '' -a open
    [[ -n $files ]] && _files
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _columba "$@"
else
    compdef _columba columba
fi
