// Starts `aurorac lsp` for .aurora files; everything else is the language server's.
"use strict";

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function activate() {
  const command = workspace.getConfiguration("aurora").get("command") || "aurorac";
  const server = { command, args: ["lsp"] };
  client = new LanguageClient("aurora", "Aurora recipes", server, {
    documentSelector: [{ language: "aurora" }],
  });
  return client.start();
}

function deactivate() {
  return client ? client.stop() : undefined;
}

module.exports = { activate, deactivate };
