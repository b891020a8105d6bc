// A client of the fault lab, by MQTT.js: node lab.mjs PORT CLIENT_ID FILTER HOW [TOPIC].
// Says 'subscribed', 'got TOPIC' for each message, and 'published'. HOW: 'fine', 'no-local' or
// 'never-retained' as MQTT 5 has them, or 'stalled', which takes one message and acknowledges none.
// To TOPIC it publishes itself.
import mqtt from 'mqtt'

const [port, clientId, filter, how, topic] = process.argv.slice(2)
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
  clientId,
  protocolVersion: 5,
  reconnectPeriod: 0,
  properties: how === 'stalled' ? { receiveMaximum: 1 } : {},
})
if (how === 'stalled') {
  // Never calls back, so that no PUBACK is sent.
  client.handleMessage = (packet) => console.log(`got ${packet.topic}`)
}
client.on('message', (name) => console.log(`got ${name}`))
const options = { qos: 1, nl: how === 'no-local', rh: how === 'never-retained' ? 2 : 0 }
await client.subscribeAsync(filter, options)
console.log('subscribed')
if (topic) {
  await client.publishAsync(topic, '1', { qos: 1 })
  console.log('published')
}
