//! A JSON document such as a node would serve.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use anyhow::{Result, anyhow};
use bitcoin_slices::{Visit as _, Visitor, bsl};
use serde_json::{Value, json};

/// Bytes of the document, about.
const BYTES: usize = 1_000_000;

#[derive(Default)]
struct Document {
    text: String,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

/// The block's first transactions as one array.
///
/// # Errors
/// When the block cannot be parsed.
pub fn json(block: &[u8]) -> Result<Vec<u8>> {
    let mut document = Document::default();
    match bsl::Block::visit(block, &mut document) {
        Ok(_) | Err(bitcoin_slices::Error::VisitBreak) => {}
        Err(error) => return Err(anyhow!("the block cannot be parsed: {error:?}")),
    }
    Ok(format!("[{}]", document.text).into_bytes())
}

impl Visitor for Document {
    fn visit_tx_in(&mut self, _: usize, input: &bsl::TxIn<'_>) -> ControlFlow<()> {
        self.inputs.push(json!({
            "txid": hex(input.prevout().txid()),
            "vout": input.prevout().vout(),
            "scriptSig": { "hex": hex(input.script_sig()) },
            "sequence": input.sequence(),
        }));
        ControlFlow::Continue(())
    }

    fn visit_tx_out(&mut self, number: usize, output: &bsl::TxOut<'_>) -> ControlFlow<()> {
        self.outputs.push(json!({
            "value": output.value() as f64 / 1e8,
            "n": number,
            "scriptPubKey": { "hex": hex(output.script_pubkey()), "spent": false },
        }));
        ControlFlow::Continue(())
    }

    fn visit_transaction(&mut self, transaction: &bsl::Transaction<'_>) -> ControlFlow<()> {
        let transaction = json!({
            "version": transaction.version(),
            "locktime": transaction.locktime(),
            "vin": std::mem::take(&mut self.inputs),
            "vout": std::mem::take(&mut self.outputs),
        });
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&transaction.to_string());
        if self.text.len() < BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
