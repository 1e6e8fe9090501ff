// The vendor's SDK for Node.js, as it comes. What to do is the one argument, as JSON:
//   {"endpoint", "project", "method", "url", "query", "data"}   one call; prints the answer or the
//                                                               exception that the SDK throws
//   {"sign": [{"method", "endpoint", "query", "headers", "data"}], "ak", "sk"}
//                                                   prints the headers of each, signed by the SDK
'use strict';
const core = '@huaweicloud/huaweicloud-sdk-core';
const { ClientBuilder } = require(`${core}/ClientBuilder`);
const { BasicCredentials } = require(`${core}/auth/BasicCredentials`);
const { AKSKSigner } = require(`${core}/auth/AKSKSigner`);

// The SDK does not call without a key; behind a gateway any will do.
async function call(what) {
    const client = new ClientBuilder((made) => made)
        .withCredential(new BasicCredentials().withAk('unused').withSk('unused')
            .withProjectId(what.project))
        .withEndpoint(what.endpoint)
        .build();
    try {
        return { answer: await client.sendRequest({
            method: what.method,
            url: what.url,
            contentType: 'application/json',
            pathParams: {},
            queryParams: what.query,
            headers: {},
            responseHeaders: [''],
            data: what.data,
        }) };
    } catch (error) {
        return { exception: { class: error.constructor.name, ...error } };
    }
}

function sign(what) {
    const credential = new BasicCredentials().withAk(what.ak).withSk(what.sk);
    return what.sign.map((request) => AKSKSigner.sign({
        method: request.method,
        endpoint: request.endpoint,
        queryParams: request.query,
        headers: request.headers,
        data: request.data,
    }, credential));
}

// The SDK logs failed calls to standard output; ours goes where nothing else does.
const what = JSON.parse(process.argv[2]);
Promise.resolve(what.sign ? sign(what) : call(what))
    .then((result) => process.stderr.write(JSON.stringify(result)));
