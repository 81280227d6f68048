// SPDX-License-Identifier: MIT
//
// server.mjs MODULE PORT - a MongoDB server in memory, by the module that
// servers_install_mongo of scripts/lib/servers.sh has fetched.

const { CongoServer } = await import(process.argv[2]);

await new CongoServer({ host: '127.0.0.1', port: Number(process.argv[3]) }).start();
