//! Payloads that `protoc` made from a definition with the fields of Tahu's `sparkplug_b.proto`, and hostile ones.

use columba_speech::Language;

use super::super::tests::unhex;
use super::*;

fn shown(bytes: &str) -> Result<String, Undecodable> {
    show(&unhex(bytes), Known::default()).map(|shown| shown.json.finish().0)
}

fn refuse(bytes: &str, at: usize, why: &str) {
    let fault = shown(bytes).expect_err(bytes);
    assert_eq!(fault.at, at, "{bytes}: {fault:?}");
    assert!(
        fault.why.to_string(Language::English).contains(why),
        "{bytes}: {fault:?}"
    );
}

#[test]
fn a_birth_with_every_kind_of_value() {
    let json = shown(
        "08fbd095ffbc31120b0a05626453657120085807124a0a0454656d7010031880d095ffbc31200342084206e5ae\
         a4e6b8a94a270a04756e69740a036c696d1207080c4203c2b043121108144a0d0a026869120708092dcdcccc3d\
         50fbffffff0f12061004200b700112061005200c380112100a0166200a280169000000000000044012090a0269\
         38200150fb0112120a03693634200458ffffffffffffffffff01120c0a01612017820104ffff0100120e0a0162\
         20208201060a0000008140120e0a01732021820106616200c3a400120c0a03726177201182010200ff121f0a01\
         6420108a011708021201781201791803180c22090a0208010a0332017112260a0174201392011e120a0a037270\
         6d20075084071a070a01701003180122054d6f746f7228001800",
    );
    let expected = concat!(
        r#"{"timestamp":1700000000123,"seq":0,"metrics":["#,
        r#"{"name":"bdSeq","datatype":"UInt64","value":7},"#,
        r#"{"name":"Temp","alias":3,"timestamp":1700000000000,"datatype":"Int32","#,
        r#""metadata":{"description":"室温"},"properties":{"keys":["unit","lim"],"#,
        r#""values":[{"type":"String","value":"°C"},{"type":"PropertySet","#,
        r#""value":{"keys":["hi"],"values":[{"type":"Float","value":0.1}]}}]},"value":-5},"#,
        r#"{"alias":4,"datatype":"Boolean","value":true},"#,
        r#"{"alias":5,"datatype":"String","is_null":true},"#,
        r#"{"name":"f","datatype":"Double","is_historical":true,"value":2.5},"#,
        r#"{"name":"i8","datatype":"Int8","value":-5},"#,
        r#"{"name":"i64","datatype":"Int64","value":-1},"#,
        r#"{"name":"a","datatype":"Int16Array","value":[-1,1]},"#,
        r#"{"name":"b","datatype":"BooleanArray","#,
        r#""value":[true,false,false,false,false,false,false,true,false,true]},"#,
        r#"{"name":"s","datatype":"StringArray","value":["ab","ä"]},"#,
        r#"{"name":"raw","datatype":"Bytes","value":{"$bytes":"AP8="}},"#,
        r#"{"name":"d","datatype":"DataSet","value":{"num_of_columns":2,"columns":["x","y"],"#,
        r#""types":["Int32","String"],"rows":[{"elements":[{"value":1},{"value":"q"}]}]}},"#,
        r#"{"name":"t","datatype":"Template","value":{"template_ref":"Motor","#,
        r#""is_definition":false,"parameters":[{"name":"p","type":"Int32","value":1}],"#,
        r#""metrics":[{"name":"rpm","datatype":"UInt32","value":900}]}}]}"#,
    );
    assert_eq!(json.as_deref(), Ok(expected));
}

#[test]
fn columns_of_a_data_set_have_signs() {
    // One metric with a data set of two columns, Int8 and UInt8, and a row of 251 in both; the data
    // types packed into one field.
    let row = "220a" /* rows */
        .to_owned()
        + "0a0308fb01"
        + "0a0308fb01";
    let set = "1a020105".to_owned() + &row;
    let metric = format!("8a01{:02x}{set}", set.len() / 2);
    let json = shown(&format!("12{:02x}{metric}", metric.len() / 2)).expect("a payload");
    let expected = r#""types":["Int8","UInt8"],"rows":[{"elements":[{"value":-5},{"value":251}]}]"#;
    assert!(json.contains(expected), "{json}");
}

#[test]
fn the_topic_tells() {
    assert!(is_topic("spBv1.0/plant/NDATA/node"));
    assert!(is_topic("spBv1.0/plant/DBIRTH/node/device"));
    assert!(!is_topic("spBv1.0/STATE/host"));
    assert!(!is_topic("spBv1.0/plant/STATE/node"));
    assert!(!is_topic("plant/NDATA/node"));
}

#[test]
fn what_is_no_payload_is_told_with_its_byte() {
    refuse("08", 1, "1 byte too early");
    refuse("1205", 2, "5 bytes too early");
    refuse("120108", 3, "1 byte too early");
    refuse("0bff", 0, "wire type 3");
    refuse("0001", 0, "number 0");
    refuse("0a00", 0, "field 1 is of another kind");
    refuse("12030a01ff", 4, "not UTF-8");
    refuse("08ffffffffffffffffffff01", 1, "more than 64 bits");
    // An array of numbers of 4 bytes that has 3.
    refuse(
        "120820188201 03010203".replace(' ', "").as_str(),
        10,
        "too early",
    );
    // 2^32 - 1 booleans in no bytes.
    refuse("12092020820104ffffffff", 11, "too early");
}

#[test]
fn depth_has_a_limit() {
    // Templates inside of metrics inside of templates.
    let mut payload = Vec::new();
    for _ in 0..80 {
        let mut outer = vec![0x92, 0x01];
        length(payload.len(), &mut outer);
        outer.append(&mut payload);
        payload.push(0x12);
        length(outer.len(), &mut payload);
        payload.append(&mut outer);
    }
    let fault = show(&payload, Known::default())
        .map(|shown| shown.json.finish())
        .expect_err("too deep");
    assert!(
        fault.why.to_string(Language::English).contains("64 values"),
        "{fault:?}"
    );
}

fn length(mut len: usize, out: &mut Vec<u8>) {
    while len > 0x7f {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}
