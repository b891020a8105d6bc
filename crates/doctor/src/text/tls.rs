//! TLS and certificates.

columba_speech::catalogue! {
    /// Every sentence about TLS.
    pub ALL;

    tls_good(version, subject, days, date) {
        en: "TLS {version}, {subject}, valid for {days} more day{days||s} (until {date})",
        zh: "TLS {version}，{subject}，有效期还有 {days} 天（至 {date}）",
    }
    alpn(name) { en: "ALPN agreed on {name}", zh: "ALPN 协商为 {name}" }
    certificate_ends_soon(days, date) {
        en: "the certificate ends in {days} day{days||s} ({date})",
        zh: "证书还有 {days} 天到期（{date}）",
    }
    certificate_expired(date, days) {
        en: "the certificate expired on {date}, {days} day{days||s} ago",
        zh: "证书已于 {date} 过期（{days} 天前）",
    }
    certificate_not_yet(date) {
        en: "the certificate is not valid before {date}",
        zh: "证书从 {date} 起才有效",
    }
    certificate_renew_fix() {
        en: "renew the certificate on the broker, and reload it",
        zh: "在服务器上续期证书并重新加载",
    }
    clock_fix(today) {
        en: "this machine believes it is {today}: if that is wrong, set its clock",
        zh: "本机日期是 {today}：如果不对，请校准时钟",
    }
    certificate_self_signed(subject) {
        en: "the certificate ({subject}) is signed by itself and not trusted here",
        zh: "证书（{subject}）是自签名的，本机不信任",
    }
    certificate_of_old_version() {
        en: "the certificate is of X.509 version 1 or 2, which has no subjectAltName: strict clients refuse that",
        zh: "证书的 X.509 版本为 1 或 2，没有 subjectAltName；严格的客户端会拒绝",
    }
    certificate_of_old_version_fix(host) {
        en: "make a certificate whose subjectAltName has {host} (openssl x509 -req -extfile FILE); until then, --cafile with the authority's file and --accept-common-name take this one",
        zh: "签发 subjectAltName 含 {host} 的证书（openssl x509 -req -extfile 文件）；在此之前，可用 --cafile 指定签发机构并加 --accept-common-name",
    }
    certificate_of_authority(subject) {
        en: "the broker shows the certificate of an authority ({subject}, CA:TRUE) as its own; strict clients refuse that",
        zh: "服务器直接使用了 CA 证书（{subject}，CA:TRUE）；严格的客户端会拒绝",
    }
    certificate_of_authority_fix() {
        en: "make a server certificate that this authority signs, with subjectAltName and without CA:TRUE",
        zh: "用这个 CA 另签一张服务器证书，带 subjectAltName，不带 CA:TRUE",
    }
    issuer_unknown(issuer) {
        en: "nobody here knows the issuer '{issuer}': the broker does not send its certificate, and it is not trusted",
        zh: "签发者“{issuer}”未知：服务器没有发送它的证书，本机也不信任它",
    }
    issuer_has_other_key(issuer) {
        en: "an authority named '{issuer}' is trusted, but with another key: it was made anew since",
        zh: "信任名为“{issuer}”的 CA，但密钥不同：该 CA 已被重新生成",
    }
    chain_of_one() {
        en: "the broker sends only its own certificate; if there is an intermediate one, it must send that too",
        zh: "服务器只发送了自己的证书；如有中间证书，也必须一并发送",
    }
    ca_file_fix() {
        en: "name the authority's certificate with --cafile FILE, or put the full chain into the broker's certificate file",
        zh: "用 --cafile 指定 CA 证书，或把完整证书链放进服务器的证书文件",
    }
    other_ca_file_fix() {
        en: "the trusted certificate (--cafile) is of another authority: use the one that signed the broker's certificate",
        zh: "受信任的证书（--cafile）属于另一个 CA：请使用签发服务器证书的那个 CA",
    }
    certificate_refused(why) { en: "the certificate is refused: {why}", zh: "证书被拒绝：{why}" }
    certificate_unreadable() {
        en: "the broker's certificate cannot be read",
        zh: "无法解析服务器证书",
    }
    no_certificate() { en: "the broker sent no certificate", zh: "服务器没有发送证书" }
    other_names(host, names) {
        en: "the certificate is not for {host}, but for {names}",
        zh: "证书不是签发给 {host} 的，而是 {names}",
    }
    no_names(subject) {
        en: "the certificate ({subject}) has no subjectAltName; a common name alone no longer counts",
        zh: "证书（{subject}）没有 subjectAltName；只有 CN 已不再被接受",
    }
    any_name_accepted() { en: "accepted because of --insecure", zh: "因 --insecure 而放行" }
    use_name_fix(name) { en: "connect to {name}", zh: "改用 {name} 连接" }
    name_fix(host) {
        en: "or make a certificate whose subjectAltName has {host}; --insecure goes without for a test",
        zh: "或重新签发 subjectAltName 含 {host} 的证书；测试时可用 --insecure 跳过",
    }
    name_unusable() {
        en: "the host is no name that a certificate can have",
        zh: "该主机名不能出现在证书中",
    }

    tls_alert(why, number) {
        en: "the broker refused TLS: {why} (alert {number})",
        zh: "服务器拒绝了 TLS：{why}（警报 {number}）",
    }
    tls_incompatible(why) {
        en: "the broker speaks TLS that this client does not: {why}",
        zh: "服务器的 TLS 与本客户端不兼容：{why}",
    }
    tls_version_fix() {
        en: "enable TLS 1.2 or 1.3 with modern ciphers on the broker; older versions are not safe",
        zh: "在服务器上启用 TLS 1.2 或 1.3 和现代加密套件；旧版本不安全",
    }
    not_tls() { en: "what answers is not TLS", zh: "对方返回的不是 TLS" }
    tls_silent(time) {
        en: "no answer to the handshake within {time}",
        zh: "{time}内握手没有应答",
    }
    tls_closed(why) {
        en: "the broker closed the connection during the handshake: {why}",
        zh: "握手时服务器关闭了连接：{why}",
    }
    client_certificate_wanted() {
        en: "the broker wants a client certificate, and none was given",
        zh: "服务器要求客户端证书，但没有提供",
    }
    client_certificate_fix() {
        en: "give one with --cert FILE --key FILE",
        zh: "用 --cert 和 --key 提供客户端证书",
    }
    client_certificate_refused() {
        en: "the broker refused the client certificate: it trusts another authority, or the certificate is expired or revoked",
        zh: "服务器拒绝了客户端证书：它信任的是另一个 CA，或证书已过期、被吊销",
    }
    client_certificate_refused_fix() {
        en: "compare the issuer of --cert with the authorities that the broker is configured to trust",
        zh: "核对 --cert 证书的签发者与服务器信任的 CA",
    }
    client_certificate_optional() {
        en: "the broker also takes client certificates, but does not insist",
        zh: "服务器也接受客户端证书，但不强制",
    }
    server_name_fix() {
        en: "the broker knows no such host name (SNI): use the name that it is configured with",
        zh: "服务器不认识这个主机名（SNI）：请使用它配置的域名",
    }
    alpn_fix() {
        en: "the broker insists on a protocol name (ALPN): use its other port, usually 8883",
        zh: "服务器要求 ALPN 协议名：请改用它的另一个端口，通常是 8883",
    }
    file_unusable(file, why) { en: "cannot use {file}: {why}", zh: "无法使用 {file}：{why}" }
    no_certificate_in_file(file) {
        en: "{file} holds no certificate in PEM form",
        zh: "{file} 中没有 PEM 格式的证书",
    }
    key_mismatch(certificate, key) {
        en: "the key in {key} does not belong to the certificate in {certificate}",
        zh: "{key} 中的私钥与 {certificate} 中的证书不匹配",
    }
}
