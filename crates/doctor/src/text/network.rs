//! Addresses, names, TCP and what a port speaks.

columba_speech::catalogue! {
    /// Every sentence about the network.
    pub ALL;

    address_read(url) { en: "{url}", zh: "{url}" }
    address_cleaned(written, url) {
        en: "'{written}' has spaces or full-width characters, read as '{url}'",
        zh: "“{written}”含有空格或全角字符，已按“{url}”处理",
    }
    address_without_scheme(scheme) {
        en: "no scheme given, taken as {scheme}://",
        zh: "没有写协议，按 {scheme}:// 处理",
    }
    scheme_renamed(written, meant) {
        en: "{written}:// is how some libraries write {meant}://",
        zh: "{written}:// 是部分客户端库的写法，等同于 {meant}://",
    }
    address_is_web(scheme) {
        en: "{scheme} is the address of a web page, not of an MQTT broker",
        zh: "{scheme} 是网页地址，不是 MQTT 服务器的地址",
    }
    unknown_scheme(scheme) {
        en: "{scheme} is no scheme of MQTT; these are mqtt, mqtts, ws and wss",
        zh: "{scheme} 不是 MQTT 的协议；可用的有 mqtt、mqtts、ws 和 wss",
    }
    address_unusable(why) { en: "cannot be used: {why}", zh: "地址不可用：{why}" }
    try_url(url) { en: "try {url}", zh: "改用 {url}" }
    try_websocket(url) {
        en: "try {url} if the broker speaks MQTT over WebSocket there",
        zh: "如果该端口提供 MQTT over WebSocket，改用 {url}",
    }
    console_port(port, product, mqtt) {
        en: "{port} is usually the web console of {product}; its MQTT is usually on {mqtt}",
        zh: "{port} 通常是 {product} 的网页控制台；它的 MQTT 端口通常是 {mqtt}",
    }
    port_usually(port, protocol, url) {
        en: "{port} is usually {protocol}: {url}",
        zh: "{port} 通常是 {protocol}：{url}",
    }
    port_of_other(port, protocol) {
        en: "{port} is usually {protocol}, not MQTT",
        zh: "{port} 通常是 {protocol}，不是 MQTT",
    }
    apollo_port() {
        en: "61613 is the port of Apache Apollo, which has no 1883; TLS is on 61614, WebSocket on 61623",
        zh: "61613 是 Apache Apollo 的端口（它不用 1883）；TLS 是 61614，WebSocket 是 61623",
    }
    websocket_without_path() {
        en: "the URL asks for the path /; most brokers serve /mqtt",
        zh: "地址中的路径是 /；多数服务器的路径是 /mqtt",
    }
    localhost_in_container() {
        en: "this runs in a container, where localhost is the container itself, not its host",
        zh: "当前运行在容器里，localhost 指的是容器自己，不是宿主机",
    }

    lookup_literal() { en: "literal address", zh: "IP 地址，无需解析" }
    lookup_found(count, time, addresses) {
        en: "{count} address{count||es} in {time}: {addresses}",
        zh: "{count} 个地址，{time}：{addresses}",
    }
    lookup_slow() {
        en: "this is slow; every connection waits for it",
        zh: "解析很慢，每次连接都要等待",
    }
    lookup_slow_fix() {
        en: "check the name servers in /etc/resolv.conf, or use the IP address",
        zh: "检查 /etc/resolv.conf 中的域名服务器，或直接使用 IP 地址",
    }
    lookup_unknown(host) {
        en: "no such name: {host}",
        zh: "域名不存在：{host}",
    }
    lookup_unknown_fix() {
        en: "check the spelling, or use the broker's IP address",
        zh: "检查拼写，或直接使用服务器的 IP 地址",
    }
    lookup_mdns_fix() {
        en: "names in .local need multicast DNS: install avahi-daemon and libnss-mdns, or use the IP address",
        zh: ".local 域名需要 mDNS：安装 avahi-daemon 和 libnss-mdns，或直接使用 IP 地址",
    }
    lookup_single_label() {
        en: "a name without dots is known only in its own network or container network",
        zh: "不带点的名字只在它自己的网络（或容器网络）里有效",
    }
    lookup_no_server(host) {
        en: "no name server answered for {host}",
        zh: "查询 {host} 时没有域名服务器应答",
    }
    lookup_no_server_fix() {
        en: "check this machine's network and name servers, then try again",
        zh: "检查本机网络和域名服务器设置，然后重试",
    }
    lookup_failed(host, why) {
        en: "cannot look up {host}: {why}",
        zh: "无法解析 {host}：{why}",
    }

    tcp_open(address, time) {
        en: "{address} open in {time}",
        zh: "{address} 已连通，{time}",
    }
    tcp_refused(address) {
        en: "{address} refused the connection: nothing listens there",
        zh: "{address} 拒绝连接：该端口没有程序监听",
    }
    tcp_timeout(address, time) {
        en: "{address} did not answer within {time}",
        zh: "{address} 在 {time}内没有应答",
    }
    tcp_reset(address) {
        en: "{address} reset the connection at once",
        zh: "{address} 立即重置了连接",
    }
    tcp_unreachable(address) {
        en: "{address} cannot be reached: there is no route to it",
        zh: "{address} 不可达：没有到该地址的路由",
    }
    tcp_failed(address, why) {
        en: "{address} cannot be connected to: {why}",
        zh: "{address} 无法连接：{why}",
    }
    no_address() { en: "there is no address to connect to", zh: "没有可连接的地址" }
    tcp_first_fails() {
        en: "clients try the addresses in this order and wait for the first one",
        zh: "客户端会按顺序尝试这些地址，先等待第一个",
    }
    tcp_first_fails_fix() {
        en: "repair or remove the DNS record (AAAA for IPv6) of the address that does not answer",
        zh: "修复不通的地址，或删除它的 DNS 记录（IPv6 为 AAAA 记录）",
    }
    tcp_refused_fix() {
        en: "check that the broker runs and that the port is right; Mosquitto 2 listens on 127.0.0.1 only until its configuration has 'listener 1883'",
        zh: "检查服务器是否在运行、端口是否正确；Mosquitto 2 默认只监听 127.0.0.1，需在配置中加上“listener 1883”",
    }
    tcp_timeout_fix(port) {
        en: "a firewall or cloud security group most likely drops the packets: open TCP port {port} on the broker's machine and in the cloud console",
        zh: "很可能被防火墙或云安全组丢弃：请在服务器防火墙和云控制台放行 TCP 端口 {port}",
    }
    tcp_reset_fix() {
        en: "a proxy, load balancer or firewall most likely closes it: check what it forwards to",
        zh: "很可能是代理、负载均衡或防火墙断开了连接：检查它的转发目标",
    }
    tcp_unreachable_fix() {
        en: "check the address, this machine's network and VPN",
        zh: "检查地址、本机网络和 VPN",
    }
    tcp_local_loopback_only(port, owner) {
        en: "port {port} of this machine is bound to 127.0.0.1 only ({owner}): other machines and other addresses cannot reach it",
        zh: "本机端口 {port} 只绑定在 127.0.0.1（{owner}）：其他机器和其他地址都连不上",
    }
    tcp_local_loopback_only_fix(port) {
        en: "bind it to all addresses: Mosquitto 'listener {port}' with 'allow_anonymous' or 'password_file', Columba 'bind = \"0.0.0.0:{port}\"'",
        zh: "改为绑定所有地址：Mosquitto 写“listener {port}”并配置 allow_anonymous 或 password_file，Columba 写 bind = \"0.0.0.0:{port}\"",
    }
    tcp_local_elsewhere(port, addresses) {
        en: "port {port} of this machine is bound to {addresses}",
        zh: "本机端口 {port} 绑定在 {addresses}",
    }
    tcp_local_nothing(port) {
        en: "this machine is the host, and no program of it listens on port {port}",
        zh: "目标就是本机，而本机没有程序监听端口 {port}",
    }
    tcp_local_others(ports) {
        en: "ports of this machine that MQTT often uses and that are open: {ports}",
        zh: "本机已打开的 MQTT 常用端口：{ports}",
    }
    owner_unknown() { en: "process unknown", zh: "进程未知" }
    nearby(url) {
        en: "an MQTT broker answers at {url}",
        zh: "{url} 有 MQTT 服务器应答",
    }
    mtu(bytes) {
        en: "the path carries packets of {bytes} bytes (MTU)",
        zh: "该路径的 MTU 为 {bytes} 字节",
    }

    port_speaks(protocol) { en: "speaks {protocol}", zh: "协议为 {protocol}" }
    port_speaks_other(protocol, wanted) {
        en: "speaks {protocol}, not {wanted}",
        zh: "端口提供的是 {protocol}，不是 {wanted}",
    }
    port_http() {
        en: "answers HTTP: this is a web server or console, not MQTT",
        zh: "返回的是 HTTP：这是网页服务器或控制台，不是 MQTT",
    }
    port_https() {
        en: "answers HTTPS: this is a web server or console, not MQTT",
        zh: "返回的是 HTTPS：这是网页服务器或控制台，不是 MQTT",
    }
    port_http_server(server) { en: "it calls itself {server}", zh: "它自称 {server}" }
    port_other(protocol) {
        en: "answers {protocol}, which is not MQTT",
        zh: "返回的是 {protocol}，不是 MQTT",
    }
    port_banner(line) {
        en: "answers '{line}', which is not MQTT",
        zh: "返回“{line}”，不是 MQTT",
    }
    port_silent(time) {
        en: "takes connections and answers nothing within {time}, neither MQTT nor TLS nor HTTP",
        zh: "接受连接，但在 {time}内没有任何应答（MQTT、TLS、HTTP 都试过）",
    }
    port_closes() {
        en: "closes every connection without an answer, to MQTT as well as to TLS and HTTP",
        zh: "不作应答就关闭连接（MQTT、TLS、HTTP 都试过）",
    }
    port_resets() {
        en: "resets every connection, to MQTT as well as to TLS and HTTP",
        zh: "重置所有连接（MQTT、TLS、HTTP 都试过）",
    }
    port_silent_fix() {
        en: "a proxy, tunnel or container port without a program behind it looks like this: check that the broker itself runs and where the port leads",
        zh: "后面没有程序的代理、隧道或容器端口就是这样：检查服务器是否在运行、端口转发到哪里",
    }
    port_closes_fix() {
        en: "check what listens there, and whether the broker's log shows this connection; a proxy without its backend and an address that is not on a list of allowed ones look like this too",
        zh: "检查该端口是什么程序、服务器日志里有没有这次连接；代理后端不可用或来源地址不在白名单也会这样",
    }
    websocket_refused(status) {
        en: "answers HTTP {status} instead of opening a WebSocket",
        zh: "没有打开 WebSocket，而是返回 HTTP {status}",
    }
    websocket_other_path(url) {
        en: "the WebSocket is at another path: {url}",
        zh: "WebSocket 在另一个路径：{url}",
    }
    websocket_path_fix() {
        en: "check the path: /mqtt with Columba, EMQX and most others, /ws with RabbitMQ, / with some",
        zh: "检查路径：Columba、EMQX 等多为 /mqtt，RabbitMQ 为 /ws，也有用 / 的",
    }
    websocket_no_subprotocol() {
        en: "opens a WebSocket, but does not agree to the subprotocol 'mqtt'; libraries that insist on it will refuse",
        zh: "打开了 WebSocket，但没有接受子协议“mqtt”；严格的客户端库会拒绝",
    }
    websocket_no_subprotocol_fix() {
        en: "if a proxy stands in between, let it pass the header Sec-WebSocket-Protocol on",
        zh: "如果中间有代理，请让它转发 Sec-WebSocket-Protocol 头",
    }
}
