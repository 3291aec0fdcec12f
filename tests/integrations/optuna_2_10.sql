BEGIN TRANSACTION;
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'s');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'a','1');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,0,5.48813503927324752851e-01);
INSERT INTO "trial_intermediate_values" VALUES(2,2,0,7.91725038082664589467e-01);
INSERT INTO "trial_intermediate_values" VALUES(3,3,0,0.978618342232764);
INSERT INTO "trial_intermediate_values" VALUES(4,4,0,2.64555612104626969305e-01);
INSERT INTO "trial_intermediate_values" VALUES(5,5,0,0.359507900573786);
INSERT INTO "trial_intermediate_values" VALUES(6,6,0,5.70196770417879639225e-01);
INSERT INTO "trial_intermediate_values" VALUES(7,7,0,1.5896958364551971865e-01);
INSERT INTO "trial_intermediate_values" VALUES(8,8,0,9.76459465013395755406e-01);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'x',5.48813503927324752851e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(2,1,'y',1.39819614089940452705e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(3,1,'u',1.20552675214328774977e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(4,1,'q',0.6,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(5,1,'k',4.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(6,1,'kl',3.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(7,1,'c',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(8,2,'x',7.91725038082664589467e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(9,2,'y',3.86086627146054392478e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(10,2,'u',1.13608912218786461956e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(11,2,'q',8.99999999999999911182e-01,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(12,2,'k',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(13,2,'kl',1.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(14,2,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(15,3,'x',0.978618342232764,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(16,3,'y',2.49732861040605824687e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(17,3,'u',9.22958724505863692399e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(18,3,'q',8.99999999999999911182e-01,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(19,3,'k',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(20,3,'kl',3.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(21,3,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(22,4,'x',2.64555612104626969305e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(23,4,'y',2.10233087434801152459e-01,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(24,4,'u',9.12300664433097097116e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(25,4,'q',0.6,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(26,4,'k',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(27,4,'kl',3.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(28,4,'c',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(29,5,'x',0.359507900573786,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(30,5,'y',2.04689639631266684371e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(31,5,'u',1.39526239185452971547e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(32,5,'q',0.0,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(33,5,'k',7.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(34,5,'kl',3.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(35,5,'c',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(36,6,'x',5.70196770417879639225e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(37,6,'y',2.06920986565383401012e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(38,6,'u',1.97674767611845236814e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(39,6,'q',0.0,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(40,6,'k',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(41,6,'kl',1.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(42,6,'c',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(43,7,'x',1.5896958364551971865e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(44,7,'y',2.14350955357985387128e-03,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(45,7,'u',1.31265917893054684384e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(46,7,'q',0.0,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(47,7,'k',1.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(48,7,'kl',1.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(49,7,'c',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
INSERT INTO "trial_params" VALUES(50,8,'x',9.76459465013395755406e-01,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(51,8,'y',2.54655819289243620651e-02,'{"name": "LogUniformDistribution", "attributes": {"low": 0.001, "high": 1.0}}');
INSERT INTO "trial_params" VALUES(52,8,'u',1.95352217638067426896e+00,'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}');
INSERT INTO "trial_params" VALUES(53,8,'q',0.6,'{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 0.9, "q": 0.3}}');
INSERT INTO "trial_params" VALUES(54,8,'k',7.0,'{"name": "IntUniformDistribution", "attributes": {"low": 1, "high": 7, "step": 3}}');
INSERT INTO "trial_params" VALUES(55,8,'kl',1.0,'{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 8, "step": 1}}');
INSERT INTO "trial_params" VALUES(56,8,'c',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [null, true, "a", 1]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,5.48813503927324752851e-01);
INSERT INTO "trial_values" VALUES(2,2,0,7.91725038082664589467e-01);
INSERT INTO "trial_values" VALUES(3,3,0,0.978618342232764);
INSERT INTO "trial_values" VALUES(4,4,0,2.64555612104626969305e-01);
INSERT INTO "trial_values" VALUES(5,6,0,5.70196770417879639225e-01);
INSERT INTO "trial_values" VALUES(6,7,0,1.5896958364551971865e-01);
INSERT INTO "trial_values" VALUES(7,8,0,9.76459465013395755406e-01);
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-21 15:04:55.939397','2026-11-21 15:04:56.202982');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-21 15:04:56.237918','2026-11-21 15:04:56.473581');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-21 15:04:56.507115','2026-11-21 15:04:56.739455');
INSERT INTO "trials" VALUES(4,3,1,'PRUNED','2026-11-21 15:04:56.778348','2026-11-21 15:04:57.011156');
INSERT INTO "trials" VALUES(5,4,1,'FAIL','2026-11-21 15:04:57.040177','2026-11-21 15:04:57.255312');
INSERT INTO "trials" VALUES(6,5,1,'COMPLETE','2026-11-21 15:04:57.283023','2026-11-21 15:04:57.491178');
INSERT INTO "trials" VALUES(7,6,1,'COMPLETE','2026-11-21 15:04:57.517756','2026-11-21 15:04:57.715184');
INSERT INTO "trials" VALUES(8,7,1,'COMPLETE','2026-11-21 15:04:57.737833','2026-11-21 15:04:57.951211');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'2.10.1');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
COMMIT;
