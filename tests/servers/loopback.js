// node --require: every server listens on loopback, whatever its program asked for, and no process outlives its parent.
'use strict';
const net = require('node:net');

const HOST = '127.0.0.1';
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'object' && first !== null && 'port' in first) {
    return listen.call(this, { ...first, host: HOST }, ...rest);
  }
  if (typeof first === 'number' || (typeof first === 'string' && /^\d+$/.test(first))) {
    const others = typeof rest[0] === 'string' ? rest.slice(1) : rest;
    return listen.call(this, first, HOST, ...others);
  }
  if (first === undefined || typeof first === 'function') {
    return listen.call(this, 0, HOST, first, ...rest);
  }
  return listen.call(this, first, ...rest);
};

const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(), 250).unref();
