/* Paho C under load: `paho MODE PORT TOPIC QOS BYTES COUNT`, with its asynchronous API and MQTT 5. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <MQTTAsync.h>

#define INFLIGHT_MAX 64

static sem_t room, answered, arrived;
static size_t payload_bytes;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    _exit(1);
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore)) {
    }
}

static void on_success(void *context, MQTTAsync_successData5 *data) {
    (void)data;
    sem_post(context);
}

static void on_failure(void *context, MQTTAsync_failureData5 *data) {
    (void)context;
    fail(data && data->message ? data->message : "a request failed");
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message) {
    (void)context;
    (void)topic_length;
    if ((size_t)message->payloadlen != payload_bytes) fail("a message of another size");
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    sem_post(&arrived);
    return 1;
}

static void on_lost(void *context, char *cause) {
    (void)context;
    fail(cause ? cause : "the connection ended");
}

static void publish(MQTTAsync client, const char *topic, int qos, size_t bytes, sem_t *done) {
    MQTTAsync_message message = MQTTAsync_message_initializer;
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    /* A new payload, as an application that has just made one would have it. */
    char *payload = malloc(bytes + 1);
    if (!payload) fail("no memory");
    memset(payload, 'x', bytes);
    message.payload = payload;
    message.payloadlen = (int)bytes;
    message.qos = qos;
    options.onSuccess5 = on_success;
    options.onFailure5 = on_failure;
    options.context = done;
    if (MQTTAsync_sendMessage(client, topic, &message, &options) != MQTTASYNC_SUCCESS)
        fail("a message was not taken");
    free(payload);
}

static void subscribe(MQTTAsync client, const char *topic, int qos) {
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.onSuccess5 = on_success;
    options.onFailure5 = on_failure;
    options.context = &answered;
    if (MQTTAsync_subscribe(client, topic, qos, &options) != MQTTASYNC_SUCCESS)
        fail("the subscription was not taken");
    wait_for(&answered);
}

static void run(MQTTAsync client, const char *mode, const char *topic, int qos, long count) {
    if (!strcmp(mode, "publish")) {
        for (long number = 0; number < count; number++) {
            wait_for(&room);
            publish(client, topic, qos, payload_bytes, &room);
        }
        for (int number = 0; number < INFLIGHT_MAX; number++) wait_for(&room);
        publish(client, "bench/last", 1, 0, &answered);
        wait_for(&answered);
    } else if (!strcmp(mode, "single")) {
        for (long number = 0; number < count; number++) {
            publish(client, topic, qos, payload_bytes, &answered);
            wait_for(&answered);
        }
    } else if (!strcmp(mode, "receive")) {
        subscribe(client, topic, qos);
        for (long number = 0; number < count; number++) wait_for(&arrived);
    } else if (!strcmp(mode, "echo")) {
        subscribe(client, topic, qos);
        for (long number = 0; number < count; number++) {
            publish(client, topic, qos, payload_bytes, &answered);
            wait_for(&arrived);
            wait_for(&answered);
        }
    } else {
        fail("no such mode");
    }
}

int main(int argc, char **argv) {
    MQTTAsync client;
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_disconnectOptions leave = MQTTAsync_disconnectOptions_initializer5;
    char address[64], id[32];

    if (argc == 2 && !strcmp(argv[1], "version")) {
        puts(MQTTAsync_getVersionInfo()[1].value);
        return 0;
    }
    if (argc != 7) fail("usage: paho MODE PORT TOPIC QOS BYTES COUNT");
    payload_bytes = strtoul(argv[5], NULL, 10);
    sem_init(&room, 0, INFLIGHT_MAX);
    sem_init(&answered, 0, 0);
    sem_init(&arrived, 0, 0);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%s", argv[2]);
    snprintf(id, sizeof id, "paho-%d", (int)getpid());
    create.maxBufferedMessages = INFLIGHT_MAX;
    if (MQTTAsync_createWithOptions(&client, address, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create))
        fail("no client");
    MQTTAsync_setCallbacks(client, NULL, on_lost, on_message, NULL);
    connect.keepAliveInterval = 60;
    connect.maxInflight = INFLIGHT_MAX;
    connect.cleanstart = 1;
    connect.onSuccess5 = on_success;
    connect.onFailure5 = on_failure;
    connect.context = &answered;
    if (MQTTAsync_connect(client, &connect)) fail("not connected");
    wait_for(&answered);
    run(client, argv[1], argv[3], atoi(argv[4]), atol(argv[6]));
    leave.onSuccess5 = on_success;
    leave.onFailure5 = on_failure;
    leave.context = &answered;
    if (MQTTAsync_disconnect(client, &leave)) fail("not disconnected");
    wait_for(&answered);
    MQTTAsync_destroy(&client);
    return 0;
}
