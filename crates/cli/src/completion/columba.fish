# Completion of columba's command lines: what fits is asked of the program itself.
function __columba_complete
    set -l current (commandline -ct)
    for line in (columba complete --shell fish -- (commandline -opc) "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c columba -f -a '(__columba_complete)'
