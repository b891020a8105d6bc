// Reads packets with the mqtt-packet library and writes them again.
//
// One line in: protocol level, a space, the packet in hexadecimal. One line out: the packet as
// text and, behind a tab, the library's own encoding in hexadecimal; "!" and a message where the
// library refuses to read or to write. The text is what crates/codec/tests/differential.rs writes
// for the same packet.
'use strict'

const readline = require('node:readline')
const mqtt = require('mqtt-packet')

const hex = (data) => Buffer.from(data ?? '').toString('hex')
const bit = (value) => (value ? 1 : 0)

// Names of the library, in the order of the standard's identifiers.
const PROPERTIES = [
  ['payloadFormatIndicator', 1], ['messageExpiryInterval', 2], ['contentType', 3],
  ['responseTopic', 8], ['correlationData', 9], ['subscriptionIdentifier', 11],
  ['sessionExpiryInterval', 17], ['assignedClientIdentifier', 18], ['serverKeepAlive', 19],
  ['authenticationMethod', 21], ['authenticationData', 22], ['requestProblemInformation', 23],
  ['willDelayInterval', 24], ['requestResponseInformation', 25], ['responseInformation', 26],
  ['serverReference', 28], ['reasonString', 31], ['receiveMaximum', 33],
  ['topicAliasMaximum', 34], ['topicAlias', 35], ['maximumQoS', 36], ['retainAvailable', 37],
  ['userProperties', 38], ['maximumPacketSize', 39], ['wildcardSubscriptionAvailable', 40],
  ['subscriptionIdentifiersAvailable', 41], ['sharedSubscriptionAvailable', 42]
]

function value (item) {
  if (typeof item === 'number') return String(item)
  if (typeof item === 'boolean') return String(bit(item))
  return hex(item)
}

function properties (all) {
  const lines = []
  for (const [name, id] of PROPERTIES) {
    const found = all?.[name]
    if (found === undefined) continue
    if (name === 'userProperties') {
      // The library keeps pairs by name, so only the order of equal names is there to compare.
      const pairs = Object.entries(found).map(([key, values]) => [hex(key), [values].flat()])
      pairs.sort(([left], [right]) => (left < right ? -1 : 1))
      for (const [key, values] of pairs) {
        for (const one of values) lines.push(`38=${key}:${hex(one)}`)
      }
    } else {
      for (const one of [found].flat()) lines.push(`${id}=${value(one)}`)
    }
  }
  return lines.join(',')
}

function text (packet, level) {
  const id = packet.messageId
  const props = properties(packet.properties)
  switch (packet.cmd) {
    case 'connect': {
      const will = packet.will
      const willText = will
        ? `${will.qos} ${bit(will.retain)} [${properties(will.properties)}] ${hex(will.topic)} ${hex(will.payload)}`
        : '-'
      const name = packet.username === undefined ? '-' : hex(packet.username) + '.'
      const password = packet.password === undefined ? '-' : hex(packet.password) + '.'
      return `connect ${packet.protocolVersion} ${bit(packet.bridgeMode)} ${bit(packet.clean)} ` +
        `${packet.keepalive} [${props}] ${hex(packet.clientId)} ${willText} ${name} ${password}`
    }
    case 'connack':
      return `connack ${bit(packet.sessionPresent)} ${level === 5 ? packet.reasonCode : packet.returnCode} [${props}]`
    case 'publish':
      return `publish ${bit(packet.dup)} ${packet.qos} ${bit(packet.retain)} ${id ?? '-'} ` +
        `${hex(packet.topic)} [${props}] ${hex(packet.payload)}`
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return `${packet.cmd} ${id} ${packet.reasonCode ?? 0} [${props}]`
    case 'subscribe': {
      const filters = packet.subscriptions.map(({ topic, qos, nl, rap, rh }) =>
        `${hex(topic)}:${qos | bit(nl) << 2 | bit(rap) << 3 | (rh ?? 0) << 4}`)
      return `subscribe ${id} [${props}] ${filters.join(' ')}`
    }
    case 'unsubscribe':
      return `unsubscribe ${id} [${props}] ${packet.unsubscriptions.map((filter) => hex(filter) + '.').join(' ')}`
    case 'suback':
    case 'unsuback':
      return `${packet.cmd} ${id} [${props}] ${hex(packet.granted ?? [])}`
    case 'disconnect':
    case 'auth':
      return `${packet.cmd} ${packet.reasonCode ?? 0} [${props}]`
    case 'pingreq':
    case 'pingresp':
      return packet.cmd
    default:
      return `unknown ${packet.cmd}`
  }
}

function read (level, bytes) {
  const parser = mqtt.parser({ protocolVersion: level })
  const packets = []
  let error = null
  parser.on('packet', (packet) => packets.push(packet))
  parser.on('error', (fault) => { error ??= fault })
  const rest = parser.parse(bytes)
  if (error) throw error
  if (packets.length !== 1 || rest !== 0) throw new Error(`${packets.length} packets, ${rest} bytes over`)
  return packets[0]
}

function answer (line) {
  const [level, packetHex] = line.split(' ')
  let packet
  try {
    packet = read(Number(level), Buffer.from(packetHex, 'hex'))
  } catch (error) {
    return `!${error.message}\t`
  }
  const described = text(packet, Number(level))
  try {
    const options = { protocolVersion: Number(level) }
    return `${described}\t${mqtt.generate(packet, options).toString('hex')}`
  } catch (error) {
    return `${described}\t!${error.message}`
  }
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => process.stdout.write(answer(line) + '\n'))
