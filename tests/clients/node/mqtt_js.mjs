// Drives MQTT.js: node mqtt_js.mjs URL VERSION [CA]; prints 'FEATURE ok' or 'FEATURE FAIL why'.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'

const [url, version, ca] = process.argv.slice(2)
const isV5 = version === '5'
// Milliseconds that an answer or a message may take.
const patience = 8000
const run = 'j' + randomBytes(5).toString('hex')
const topic = (name) => `${run}/${name}`
const clientId = () => run + randomBytes(4).toString('hex')

const settings = {
  protocolVersion: isV5 ? 5 : version === '31' ? 3 : 4,
  protocolId: version === '31' ? 'MQIsdp' : 'MQTT',
  reconnectPeriod: 0,
  connectTimeout: patience,
  ...(ca ? { ca: [readFileSync(ca)] } : {}),
}

const within = (promise, what) =>
  Promise.race([
    promise,
    sleep(patience, undefined, { ref: false }).then(() => {
      throw new Error(`timeout: ${what}`)
    }),
  ])

/** A connected client whose messages wait in a list. */
class Client {
  messages = []
  waiting = []

  static async open(options = {}) {
    const client = new Client()
    client.mqtt = mqtt.connect(url, { ...settings, clientId: clientId(), ...options })
    client.mqtt.on('message', (name, payload, packet) => {
      const message = { ...packet, topic: name, payload }
      const next = client.waiting.shift()
      if (next) next(message)
      else client.messages.push(message)
    })
    const connected = new Promise((resolve, reject) => {
      client.mqtt.once('connect', resolve)
      client.mqtt.once('error', reject)
      client.mqtt.once('close', () => reject(new Error('closed')))
    })
    client.connack = await within(connected, 'connect')
    client.mqtt.on('error', () => {})
    return client
  }

  subscribe(filter, options = { qos: 0 }) {
    return within(this.mqtt.subscribeAsync(filter, options), 'subscribe')
  }

  unsubscribe(filter) {
    return within(this.mqtt.unsubscribeAsync(filter), 'unsubscribe')
  }

  publish(name, payload, options = {}) {
    return within(this.mqtt.publishAsync(name, payload, options), 'publish')
  }

  async next() {
    if (this.messages.length) return this.messages.shift()
    return within(new Promise((resolve) => this.waiting.push(resolve)), 'message')
  }

  async expectNothing(quiet = 600) {
    await sleep(quiet)
    assert.equal(this.messages.length, 0, `unexpected ${this.messages[0]?.topic}`)
  }

  close() {
    return this.mqtt.endAsync()
  }

  /** Ends the connection without DISCONNECT. */
  vanish() {
    this.mqtt.stream.destroy()
    this.mqtt.end(true)
  }
}

const close = async (...clients) => {
  for (const client of clients) await client.close()
}

const openSession = (id, clean, expiry) =>
  Client.open({
    clientId: id,
    clean,
    ...(isV5 ? { properties: { sessionExpiryInterval: expiry } } : {}),
  })

const qos = (level) => async () => {
  const subscriber = await Client.open()
  const publisher = await Client.open()
  await subscriber.subscribe(topic(`qos${level}`), { qos: level })
  await publisher.publish(topic(`qos${level}`), `hello${level}`, { qos: level })
  const message = await subscriber.next()
  assert.equal(String(message.payload), `hello${level}`)
  assert.equal(message.qos, level)
  assert.equal(message.retain, false)
  await subscriber.expectNothing(200)
  await close(subscriber, publisher)
}

const features = {
  connect: async () => close(await Client.open()),
  qos0: qos(0),
  qos1: qos(1),
  qos2: qos(2),

  retain: async () => {
    const publisher = await Client.open()
    const subscriber = await Client.open()
    const late = await Client.open()
    await publisher.publish(topic('retain/x'), 'keep', { qos: 1, retain: true })
    await subscriber.subscribe(topic('retain/+'), { qos: 1 })
    const message = await subscriber.next()
    assert.equal(String(message.payload), 'keep')
    assert.equal(message.retain, true)
    await publisher.publish(topic('retain/x'), '', { qos: 1, retain: true })
    await late.subscribe(topic('retain/x'), { qos: 1 })
    await late.expectNothing()
    await close(publisher, subscriber, late)
  },

  will: async () => {
    const will = (payload) => ({
      will: { topic: topic('will'), payload: Buffer.from(payload), qos: 1, retain: false },
    })
    const subscriber = await Client.open()
    await subscriber.subscribe(topic('will'), { qos: 1 })
    ;(await Client.open(will('gone'))).vanish()
    assert.equal(String((await subscriber.next()).payload), 'gone')
    await close(await Client.open(will('never')))
    await subscriber.expectNothing()
    await close(subscriber)
  },

  session: async () => {
    const id = clientId()
    const publisher = await Client.open()
    let owner = await openSession(id, isV5, 60)
    assert.ok(!owner.connack.sessionPresent)
    await owner.subscribe(topic('session/#'), { qos: 2 })
    await close(owner)
    for (const [number, level] of [[1, 1], [2, 1], [3, 2]]) {
      await publisher.publish(topic(`session/${number}`), `offline${number}`, { qos: level })
    }
    owner = await openSession(id, false, 60)
    // MQTT 3.1 has no session present flag.
    assert.ok(version === '31' || owner.connack.sessionPresent, 'no session present')
    for (const number of [1, 2, 3]) {
      assert.equal(String((await owner.next()).payload), `offline${number}`)
    }
    await close(owner)
    owner = await openSession(id, true, 0)
    assert.ok(!owner.connack.sessionPresent)
    await owner.expectNothing(300)
    await close(owner, publisher)
  },

  large: async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    const payload = randomBytes(300_000)
    await subscriber.subscribe(topic('large'), { qos: 1 })
    await publisher.publish(topic('large'), payload, { qos: 1 })
    assert.ok((await subscriber.next()).payload.equals(payload))
    await close(subscriber, publisher)
  },

  unsubscribe: async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    await subscriber.subscribe(topic('unsubscribe'), { qos: 1 })
    await subscriber.unsubscribe(topic('unsubscribe'))
    await publisher.publish(topic('unsubscribe'), 'x', { qos: 1 })
    await subscriber.expectNothing()
    await close(subscriber, publisher)
  },

  order: async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    await subscriber.subscribe(topic('order'), { qos: 1 })
    for (let i = 0; i < 200; i++) publisher.mqtt.publish(topic('order'), `${i}`, { qos: 1 })
    for (let i = 0; i < 200; i++) assert.equal(String((await subscriber.next()).payload), `${i}`)
    await close(subscriber, publisher)
  },

  wildcard: async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    await subscriber.subscribe([topic('plus/+/c'), topic('hash/#')], { qos: 1 })
    await publisher.publish(topic('plus/b/c'), '1', { qos: 1 })
    assert.equal(String((await subscriber.next()).payload), '1')
    await publisher.publish(topic('hash'), '2', { qos: 1 })
    assert.equal(String((await subscriber.next()).payload), '2')
    await publisher.publish(topic('plus/b/d'), '3', { qos: 1 })
    await subscriber.expectNothing(300)
    await close(subscriber, publisher)
  },
}

const v5Features = {
  properties: async () => {
    const sent = {
      userProperties: { a: ['1', '2'] },
      contentType: 'text/x',
      responseTopic: topic('reply'),
      correlationData: Buffer.from([1, 2]),
      payloadFormatIndicator: true,
      messageExpiryInterval: 100,
    }
    const subscriber = await Client.open()
    const publisher = await Client.open()
    await subscriber.subscribe(topic('properties'), { qos: 2 })
    await publisher.publish(topic('properties'), 'x', { qos: 2, properties: sent })
    const got = (await subscriber.next()).properties
    assert.deepEqual([...got.userProperties.a], sent.userProperties.a)
    for (const name of ['contentType', 'responseTopic', 'payloadFormatIndicator']) {
      assert.equal(got[name], sent[name])
    }
    assert.ok(got.correlationData.equals(sent.correlationData))
    assert.ok(got.messageExpiryInterval >= 98 && got.messageExpiryInterval <= 100)
    await close(subscriber, publisher)
  },

  'subscription-id': async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    const properties = { subscriptionIdentifier: 70000 }
    await subscriber.subscribe(topic('id/#'), { qos: 1, properties })
    await publisher.publish(topic('id/1'), 'x', { qos: 1 })
    assert.equal((await subscriber.next()).properties.subscriptionIdentifier, 70000)
    await close(subscriber, publisher)
  },

  shared: async () => {
    const members = [await Client.open(), await Client.open()]
    const publisher = await Client.open()
    for (const member of members) await member.subscribe(`$share/group/${topic('shared')}`, { qos: 1 })
    for (let i = 0; i < 20; i++) await publisher.publish(topic('shared'), `${i}`, { qos: 1 })
    await sleep(800)
    assert.equal(members[0].messages.length + members[1].messages.length, 20)
    await close(...members, publisher)
  },

  'no-local': async () => {
    const client = await Client.open()
    await client.subscribe(topic('mine'), { qos: 1, nl: true })
    await client.publish(topic('mine'), 'x', { qos: 1 })
    await client.expectNothing()
    await close(client)
  },

  'retain-as-published': async () => {
    const subscriber = await Client.open()
    const publisher = await Client.open()
    await subscriber.subscribe(topic('published'), { qos: 1, rap: true })
    await publisher.publish(topic('published'), 'x', { qos: 1, retain: true })
    assert.equal((await subscriber.next()).retain, true)
    await publisher.publish(topic('published'), '', { qos: 1, retain: true })
    await close(subscriber, publisher)
  },

  'message-expiry': async () => {
    const id = clientId()
    const publisher = await Client.open()
    let owner = await openSession(id, true, 60)
    await owner.subscribe(topic('expiry'), { qos: 1 })
    await close(owner)
    const properties = { messageExpiryInterval: 1 }
    await publisher.publish(topic('expiry'), 'dead', { qos: 1, properties })
    await publisher.publish(topic('expiry'), 'live', { qos: 1 })
    await sleep(2200)
    owner = await openSession(id, false, 0)
    assert.equal(String((await owner.next()).payload), 'live')
    await owner.expectNothing(300)
    await close(owner, publisher)
  },

  'topic-alias': async () => {
    const publisher = await Client.open({ autoAssignTopicAlias: true })
    const subscriber = await Client.open({ properties: { topicAliasMaximum: 10 } })
    await subscriber.subscribe(topic('alias'), { qos: 1 })
    for (let i = 0; i < 3; i++) await publisher.publish(topic('alias'), `${i}`, { qos: 1 })
    for (let i = 0; i < 3; i++) {
      const message = await subscriber.next()
      assert.equal(message.topic, topic('alias'))
      assert.equal(String(message.payload), `${i}`)
    }
    await close(subscriber, publisher)
  },

  'will-delay': async () => {
    const subscriber = await Client.open()
    await subscriber.subscribe(topic('delayed'), { qos: 1 })
    const mortal = await Client.open({
      properties: { sessionExpiryInterval: 60 },
      will: {
        topic: topic('delayed'),
        payload: Buffer.from('late'),
        qos: 1,
        retain: false,
        properties: { willDelayInterval: 2 },
      },
    })
    const start = Date.now()
    mortal.vanish()
    await subscriber.next()
    const delay = Date.now() - start
    assert.ok(delay > 900 && delay < 4500, `delay ${delay}`)
    await close(subscriber)
  },
}

process.on('uncaughtException', (error) => console.log('uncaught FAIL', error.message))

for (const [feature, check] of Object.entries({ ...features, ...(isV5 ? v5Features : {}) })) {
  try {
    await check()
    console.log(feature, 'ok')
  } catch (error) {
    const why = String(error?.message ?? error).replace(/\n/g, ' ').slice(0, 150)
    console.log(feature, 'FAIL', why)
  }
}
// Clients that failed midway must not hold the process.
process.exit(0)
