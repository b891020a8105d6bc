// Aedes on the port of 127.0.0.1 that the first argument names. It ends with its standard input.
import { createServer } from 'net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker()
createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')
process.stdin.on('end', () => process.exit()).resume()
