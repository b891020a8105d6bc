//! What the checks are called.

columba_speech::catalogue! {
    /// Every label.
    pub ALL;

    address() { en: "Address", zh: "地址" }
    lookup() { en: "DNS", zh: "域名解析" }
    tcp() { en: "TCP", zh: "TCP 连通" }
    port() { en: "Port", zh: "端口协议" }
    tls() { en: "TLS", zh: "证书与 TLS" }
    connect() { en: "CONNECT", zh: "连接" }
    login() { en: "Login", zh: "登录" }
    system() { en: "Broker", zh: "服务器" }
    filter() { en: "Filter", zh: "主题写法" }
    subscribe() { en: "SUBSCRIBE", zh: "订阅" }
    loopback() { en: "Loopback", zh: "收发回环" }
    payload() { en: "Payload", zh: "载荷" }
    size() { en: "Size", zh: "报文大小" }
    retained() { en: "Retained", zh: "保留消息" }
    offline() { en: "Offline", zh: "离线消息" }
    will() { en: "Will", zh: "遗嘱" }
    idle() { en: "Idle", zh: "空闲连接" }
    twin() { en: "Client id", zh: "客户端 ID" }
}
