// A DICOM client on dcmjs-dimse: node client.js OPERATION PORT CALLING CALLED JSON. Prints one JSON document:
// what came back, or the fault of the network.
'use strict';

const { Client, Dataset, constants, log, requests } = require('dcmjs-dimse');

log.setLevel('silent');

const [operation, port, calling, called, given] = process.argv.slice(2);
const asked = JSON.parse(given || '{}');
const answer = { statuses: [], matches: [], fault: null };

const makers = {
  echo: () => [new requests.CEchoRequest()],
  store: () => asked.files.map((file) => new requests.CStoreRequest(file)),
  find: () => {
    const root = asked.root === 'PATIENT' ? 'PatientRoot' : 'StudyRoot';
    const request = new requests.CFindRequest();
    request.setAffectedSopClassUid(
      constants.SopClass[`${root}QueryRetrieveInformationModelFind`]
    );
    request.setDataset(new Dataset(asked.keys, constants.TransferSyntax.ImplicitVRLittleEndian));
    return [request];
  },
  commit: () => {
    const request = new requests.NActionRequest(
      constants.SopClass.StorageCommitmentPushModel, '1.2.840.10008.1.20.1.1', 1
    );
    const references = asked.instances.map(([sopClass, instance]) => ({
      ReferencedSOPClassUID: sopClass,
      ReferencedSOPInstanceUID: instance,
    }));
    const elements = { TransactionUID: asked.transaction, ReferencedSOPSequence: references };
    request.setDataset(new Dataset(elements, constants.TransferSyntax.ImplicitVRLittleEndian));
    return [request];
  },
  move: () => [requests.CMoveRequest.createStudyMoveRequest(asked.destination, asked.study)],
};

const client = new Client();
for (const request of makers[operation]()) {
  request.on('response', (response) => {
    answer.statuses.push(response.getStatus());
    if (response.hasDataset() && operation === 'find') {
      answer.matches.push(response.getDataset().getElements());
    }
  });
  client.addRequest(request);
}
client.on('networkError', (error) => { answer.fault = String(error.message || error); });
client.on('associationRejected', (result) => {
  answer.fault = `rejected ${result.result},${result.source},${result.reason}`;
});
client.on('closed', () => process.stdout.write(JSON.stringify(answer)));
client.send('127.0.0.1', Number(port), calling, called);
